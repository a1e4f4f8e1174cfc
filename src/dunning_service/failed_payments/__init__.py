"""The read side: which payments have failed, and what has become of them.

Two lists of the same rows: our own (`routes.py`) and Front Payment's (`frontpayment.py`), both on `queries.py`.
"""
