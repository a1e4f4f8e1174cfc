"""The rules of recovery, pure: what a decline means, when a failed payment is tried again, and why."""
