from dispatcher.testing.brokers.noop import *
