from dispatcher.brokers import *
