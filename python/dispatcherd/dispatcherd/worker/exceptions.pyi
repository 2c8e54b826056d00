from dispatcher.worker.exceptions import *
