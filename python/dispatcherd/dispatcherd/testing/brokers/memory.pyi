from dispatcher.testing.brokers.memory import *
