"""Results of many runs: a Parquet data set, questions to it, laws of growth, plots."""
