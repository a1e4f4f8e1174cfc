"""The ledger: facts about payments, the writer that commits them, and the fold that derives payments."""
