"""What happens to an order: from request to fill (`transactions`), by models of reality.

`brokerage_models` say what a broker takes, `fill_model` when and at what price it fills, `fees`
what that costs (slippage too), `buying_power` how much may be bought, `settlement` when money may
be used.
"""
