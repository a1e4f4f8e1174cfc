"""ARISE's subscription API."""
