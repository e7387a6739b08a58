"""An unattended portfolio rebalancer for Interactive Brokers."""

__version__ = "0.1.0"
