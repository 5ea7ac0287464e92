"""Changes → an ordered plan: one topological order, transaction groups, hazards. No kind is named here."""
