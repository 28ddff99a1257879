/* What a service manager such as systemd hands to `sibyl serve`: a socket that listens already, and one that is told of
   the server's state. */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H

#include <stdbool.h>

/* Sets *fd to the socket that was opened for this process (LISTEN_FDS, LISTEN_PID), 0 where there is none. Returns
   false, with a line on stderr, where there are several. */
bool service_socket(int *fd);

/* Finds whom to tell (NOTIFY_SOCKET). Call it before service_tell. */
void service_begin(void);
/* Tells "READY=1" or "STOPPING=1"; does nothing where nobody asked. Safe in signal handlers. */
void service_tell(const char *state);

#endif
