from dispatcher.brokers.pg_notify import *
