"""The gate: what was found, the checks on it, and the verdict. It decides; `report` words and shows."""
