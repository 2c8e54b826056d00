from dispatcher.testing.brokers import *
