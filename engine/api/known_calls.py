"""Names of LEAN's QCAlgorithm calls.

A call that is in this list but not in the engine raises NotImplementedError; any other unknown
name is a mistake and raises AttributeError.
"""

KNOWN_CALLS = frozenset(
    """
    abands ad add_alpha add_cfd add_chart add_command add_crypto add_crypto_future add_data
    add_equity add_forex add_future add_future_contract add_future_option
    add_future_option_contract add_index add_index_option add_index_option_contract add_option
    add_option_contract add_risk_management add_security add_security_initializer add_series
    add_tag add_universe add_universe_options add_universe_selection addiff adosc adr advr adx
    adxr alma ao apo aps ar arima aroon asi atr bb bop broadcast_command buy
    calculate_order_quantity cc cci chop cik cks cmf cmo co combo_leg_limit_order
    combo_limit_order combo_market_order composite_figi consolidate cov create_consolidator
    create_indicator_name crsi cusip dch debug dem dema deregister_indicator do download dpo
    ema emit_insights emv error exercise_option fi filtered_identity fish frama
    framework_post_initialize fundamentals future_chain future_chain_provider future_chains
    futures_chain futures_chains get_chart_updates get_last_known_price get_last_known_prices
    get_locked get_parameter get_parameters he heikin_ashi history hma ht ibs ichimoku
    identity indicator_history initialize is_market_open isin iv kama kch ker kst kvo
    limit_if_touched_order limit_order link liquidate log logr lsma lwma macd mad mama
    market_on_close_order market_on_open_order market_order mass max mfi mgd midpoint midprice
    min mom momersion momp mosc msi natr nhnl nhnlv notify obv on_assignment_order_event
    on_brokerage_disconnect on_brokerage_message on_brokerage_reconnect on_command on_data
    on_delistings on_dividends on_end_of_algorithm on_end_of_day on_end_of_time_step
    on_framework_data on_framework_securities_changed on_margin_call on_margin_call_warning
    on_order_event on_securities_changed on_splits on_symbol_changed_events on_warmup_finished
    option_chain option_chain_provider option_chains order plot plot_indicator post_initialize
    pphl ppo psar pso quit rc rdv record register_indicator remove_option_contract
    remove_security resolve_consolidator risk_free_interest_rate_model rma roc rocp rocr rsi
    rsv run_command rvi sarext sedol sell set_account_currency set_algorithm_id
    set_algorithm_mode set_alpha set_api set_available_data_types set_benchmark
    set_brokerage_message_handler set_brokerage_model set_cash set_current_slice set_date_time
    set_deployment_target set_end_date set_execution set_finished_warming_up
    set_future_chain_provider set_history_provider set_holdings set_live_mode set_locked
    set_maximum_orders set_name set_object_store set_option_chain_provider
    set_pandas_converter set_parameters set_portfolio_construction set_quit
    set_risk_free_interest_rate_model set_risk_management set_run_time_error
    set_runtime_statistic set_security_initializer set_start_date set_statistics_service
    set_status set_summary_statistic set_tags set_time_zone set_trade_builder
    set_universe_selection set_warm_up set_warmup shortable shortable_provider
    shortable_quantity si sm sma sobv sortino sr srsi stc std sto stop_limit_order
    stop_market_order str submit_order_request sum swiss symbol t3 tdd tds tema ticker tp tr
    trailing_stop_order train trima trin trix tsf tsi ultosc unregister_indicator var vidya vp
    vtx vwap vwma warm_up_indicator wilr wto wwma zlema zz
    """.split()  # noqa: SIM905 - readable as a block of names
)
