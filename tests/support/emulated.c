/* emulated.c - Criterion under an emulator: linked into cross-compiled tests.
 *
 * Criterion runs each test in a process of its own, which executes the test program
 * again. The kernel of this machine cannot execute a program for another CPU; the
 * emulator can, so the definition here, which comes before libc's, puts the emulator's
 * command (TERN_EMULATOR, words) in front. */
#define _GNU_SOURCE /* syscall */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int execve(const char *path, char *const argv[], char *const envp[])
{
    enum { WORDS = 64 };
    static char command[4096] = TERN_EMULATOR;
    char *words[WORDS];
    size_t n = 0;
    for (char *w = strtok(command, " "); w && n < WORDS / 2; w = strtok(NULL, " "))
        words[n++] = w;
    words[n++] = (char *)path;
    for (size_t i = 0; argv[i] && argv[i + 1]; i++) {
        if (n + 1 == WORDS) {
            errno = E2BIG;
            return -1;
        }
        words[n++] = argv[i + 1];
    }
    words[n] = NULL;
    return (int)syscall(SYS_execve, words[0], words, envp);
}
