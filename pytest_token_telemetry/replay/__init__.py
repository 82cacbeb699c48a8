"""What another estimator would have predicted for the calls that were recorded."""
