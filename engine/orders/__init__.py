"""What an order is: its options, requests about it, its kinds and events, its ticket.

`order_properties`, `order_requests`, `orders`, `order_tickets`: each imports only those before it.
"""
