"""What an algorithm sees and calls: QCAlgorithm (`algorithm`), its parts and its services.

`algorithm_trading`, `algorithm_data`, `algorithm_history`, `algorithm_indicators`,
`algorithm_charts` and `algorithm_framework` are its parts; `scheduling`, `object_store` and
`net_types` are what it is given; `run_context` is how a run gives it that.
"""
