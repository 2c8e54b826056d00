from dispatcher.testing.brokers.error_only import *
