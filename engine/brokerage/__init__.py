"""What happens to an order: requests (`transactions`, `order_processing`), fills (`order_filling`).

By models of reality: `brokerage_models` and `brokers` say what a broker takes, `fill_model` and
`equity_fill_model` when and at what price it fills, `fees` what that costs (slippage too),
`buying_power` how much may be bought, `shortable` how much may be sold short, `settlement` when
money may be used.
"""
