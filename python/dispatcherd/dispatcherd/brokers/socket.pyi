from dispatcher.brokers.socket import *
