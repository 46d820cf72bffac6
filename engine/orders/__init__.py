"""What an order is: its options, requests about it, its kinds and events, its ticket.

`order_properties`, `order_requests`, `orders`, `combo_orders`, `creation`, `order_tickets`: each
imports only those before it.
"""
