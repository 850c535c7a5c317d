"""moto's server, one request at a time: its dictionaries are not made for threads, so that two requests at once end in an answer 500."""

import sys
import threading

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


def in_turn(application):
    turn = threading.Lock()

    def answer(environ, start_response):
        with turn:  # moto has made the whole body when this returns
            return application(environ, start_response)

    return answer


if __name__ == "__main__":
    # Threads keep the connections of all clients open; the lock is held only for the answer.
    moto = in_turn(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", int(sys.argv[1]), moto, threaded=True, request_handler=MotoRequestHandler)
