"""What trading on a clock asks beyond a backtest: order later, remember, mend, and stay alive."""
