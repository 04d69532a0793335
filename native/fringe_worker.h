/* A warm worker in C or C++: a program that takes call after call.
 *
 * A function of the contract `worker` runs a program that stays, and hands it
 * the input object of each call as JSON; the program answers with the output
 * object. This header is all that such a program needs:
 *
 *     #include "fringe_worker.h"
 *
 *     static int handle(const fringe_call *call, char **answer) {
 *         *answer = strdup("{\"n\": 1}");    // the output object; freed by the caller
 *         return 0;                          // not 0: the answer is a sentence, why it failed
 *     }
 *
 *     int main(void) { return fringe_serve(handle); }
 *
 * Use the JSON library of your choice. Input files have paths in the object;
 * output files are written into the working directory, which is the call's own
 * as soon as the function has files, and named by {"class": "File", "path": …}.
 * What is printed is the call's log. Calls come one at a time, in one thread.
 *
 * Licence: Apache-2.0.
 *
 * The protocol, for other languages: frames on descriptor 3, a unix stream
 * socket. A frame is the length of its payload (4 bytes, little endian), its
 * kind (1 byte) and the payload. The server sends L (load; JSON that can be
 * ignored) and then C for each call: length of place (2 bytes, little endian),
 * place (the call's directory, or nothing; after a NUL byte the trace context,
 * if there is one), the input object as JSON. Several C may come ahead: they
 * are answered in their order. The worker sends Y ("{}", it is ready) or F
 * (JSON {"message": …}, it cannot work) in answer to L; A (the output object as
 * JSON, at most 64 MiB) or F (JSON {"message": …}, the call failed) in answer to
 * C; and before A or F any number of O (at most 1 MiB each) with text for the
 * call's log. The end of the socket ends the worker. Descriptors 1 and 2 are one
 * file in memory, which the worker empties into O after each call.
 */
#ifndef FRINGE_WORKER_H
#define FRINGE_WORKER_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a handler is given. All texts end with a NUL byte and hold until it returns. */
typedef struct {
	const char *inputs; /* the input object as JSON, UTF-8 */
	size_t length;      /* bytes of inputs */
	const char *dir;    /* the call's directory, which is the working directory; "" when it has none */
	const char *trace;  /* the caller's traceparent; "" when there is none */
} fringe_call;

/* Handles one call. Sets *answer to a text from malloc: the output object as
 * JSON when it returns 0, else a sentence that says why the call failed. */
typedef int (*fringe_handler)(const fringe_call *call, char **answer);

enum { FRINGE_SOCKET_FD = 3, FRINGE_PIECE = 256 << 10 };

typedef struct {
	char *bytes;
	size_t start, end, size;
} fringe_buffer;

/* Reads until n bytes are there from start. 1: they are; 0: the socket ended; -1: errno says. */
static int fringe_fill(fringe_buffer *b, size_t n) {
	if (b->start + n + 1 > b->size) { /* 1: a NUL byte behind each payload */
		memmove(b->bytes, b->bytes + b->start, b->end - b->start);
		b->end -= b->start;
		b->start = 0;
	}
	if (n + 1 > b->size) {
		char *more = (char *)realloc(b->bytes, n + 1);
		if (more == NULL)
			return -1;
		b->bytes = more;
		b->size = n + 1;
	}
	while (b->end - b->start < n) {
		ssize_t got = recv(FRINGE_SOCKET_FD, b->bytes + b->end, b->size - 1 - b->end, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		b->end += (size_t)got;
	}
	return 1;
}

/* Sends one frame. 0, or -1 when the server is gone. */
static int fringe_send(char kind, const char *payload, size_t n) {
	unsigned char head[5] = {(unsigned char)n, (unsigned char)(n >> 8), (unsigned char)(n >> 16), (unsigned char)(n >> 24), (unsigned char)kind};
	struct iovec parts[2] = {{head, sizeof head}, {(void *)(uintptr_t)payload, n}};
	struct msghdr message;
	memset(&message, 0, sizeof message);
	message.msg_iov = parts;
	message.msg_iovlen = 2;
	while (message.msg_iovlen > 0) {
		ssize_t sent = sendmsg(FRINGE_SOCKET_FD, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		while (message.msg_iovlen > 0 && (size_t)sent >= message.msg_iov->iov_len) {
			sent -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen > 0) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
			message.msg_iov->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

/* Sends JSON {"message": text}. */
static int fringe_fail(const char *text) {
	size_t n = strlen(text), at = 0;
	char *json = (char *)malloc(6 * n + 16);
	if (json == NULL)
		return -1;
	at += (size_t)sprintf(json, "{\"message\":\"");
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\')
			at += (size_t)sprintf(json + at, "\\%c", c);
		else if (c < 0x20)
			at += (size_t)sprintf(json + at, "\\u%04x", c);
		else
			json[at++] = (char)c;
	}
	at += (size_t)sprintf(json + at, "\"}");
	int sent = fringe_send('F', json, at);
	free(json);
	return sent;
}

/* Moves what was written on descriptors 1 and 2 into the call's log. 0, or -1. */
static int fringe_tell(void) {
	fflush(stdout);
	fflush(stderr);
	if (lseek(1, 0, SEEK_CUR) <= 0)
		return 0;
	struct stat file;
	char *piece = (char *)malloc(FRINGE_PIECE);
	if (piece == NULL || fstat(1, &file) != 0) {
		free(piece);
		return -1;
	}
	int sent = 0;
	for (off_t at = 0; sent == 0 && at < file.st_size;) {
		ssize_t n = pread(1, piece, FRINGE_PIECE, at);
		if (n <= 0)
			break;
		sent = fringe_send('O', piece, (size_t)n);
		at += n;
	}
	free(piece);
	if (ftruncate(1, 0) != 0 || lseek(1, 0, SEEK_SET) != 0)
		return -1;
	return sent;
}

/* One call: the frame's payload, of n bytes with a NUL behind it. 0, or -1 when the worker must end. */
static int fringe_handle(fringe_handler handler, char *payload, size_t n, int home) {
	size_t place = n < 2 ? 0 : (unsigned char)payload[0] | (size_t)(unsigned char)payload[1] << 8;
	if (n < 2 || place > n - 2)
		return -1;
	char where[4098];
	if (place > sizeof where - 2)
		return -1;
	memcpy(where, payload + 2, place);
	where[place] = where[place + 1] = 0;
	fringe_call call = {payload + 2 + place, n - 2 - place, where, where + strlen(where) + 1};
	char *answer = NULL;
	int failed;
	if (call.dir[0] != 0 && chdir(call.dir) != 0) {
		failed = 1;
		answer = strdup("the call's directory is not there");
	} else {
		failed = handler(&call, &answer);
	}
	if (call.dir[0] != 0 && fchdir(home) != 0)
		return -1;
	int sent = fringe_tell();
	if (sent == 0 && failed)
		sent = fringe_fail(answer ? answer : "the function failed, and did not say why");
	else if (sent == 0 && answer == NULL)
		sent = fringe_fail("the function gave no answer");
	else if (sent == 0)
		sent = fringe_send('A', answer, strlen(answer));
	free(answer);
	return sent;
}

/* Takes calls until the server closes the socket. Gives the exit code of the program. */
static int fringe_serve(fringe_handler handler) {
	fringe_buffer b = {(char *)malloc(64 << 10), 0, 0, 64 << 10};
	int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), got = 1, sent = 0;
	if (b.bytes == NULL || home < 0 || fcntl(FRINGE_SOCKET_FD, F_SETFD, FD_CLOEXEC) != 0) {
		perror("a worker of Fringe needs its socket on descriptor 3");
		return 1;
	}
	while (sent == 0 && (got = fringe_fill(&b, 5)) == 1) {
		unsigned char *head = (unsigned char *)b.bytes + b.start;
		size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
		char kind = (char)head[4];
		b.start += 5;
		if ((got = fringe_fill(&b, n)) != 1)
			break;
		char *payload = b.bytes + b.start, next = payload[n];
		payload[n] = 0;
		if (kind == 'L')
			sent = fringe_send('Y', "{}", 2);
		else if (kind == 'C')
			sent = fringe_handle(handler, payload, n, home);
		else
			sent = -1;
		payload[n] = next;
		b.start += n;
		if (b.start == b.end)
			b.start = b.end = 0;
	}
	if (got < 0)
		perror("the socket to the server of Fringe, descriptor 3");
	free(b.bytes);
	close(home);
	return got == 0 && sent == 0 ? 0 : 1;
}

#ifdef __cplusplus
}
#endif

#endif
