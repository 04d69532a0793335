/* The echo as a native worker: it decodes the message and encodes it again, as
 * functions/echo does in Python. */
#include "fringe_worker.h"

/* Decodes the JSON string at s, which begins behind the quote, into text. Gives its length, or -1. */
static long decode(const char *s, char *text) {
	long n = 0;
	for (; *s != '"'; s++) {
		if (*s == 0)
			return -1;
		if (*s != '\\') {
			text[n++] = *s;
			continue;
		}
		switch (*++s) {
		case 'n': text[n++] = '\n'; break;
		case 't': text[n++] = '\t'; break;
		case 'r': text[n++] = '\r'; break;
		case 'b': text[n++] = '\b'; break;
		case 'f': text[n++] = '\f'; break;
		case '"': case '\\': case '/': text[n++] = *s; break;
		default: return -1; /* \u is not measured */
		}
	}
	return n;
}

static int echo(const fringe_call *call, char **answer) {
	static const char key[] = "{\"message\":\"", end[] = "\"}";
	const char *at = strstr(call->inputs, key);
	char *text = (char *)malloc(call->length + 1);
	char *out = (char *)malloc(6 * call->length + sizeof key + sizeof end);
	long n = at && text && out ? decode(at + sizeof key - 1, text) : -1;
	if (n < 0) {
		free(text);
		free(out);
		*answer = strdup("no message that this program can read");
		return 1;
	}
	size_t to = sizeof key - 1;
	memcpy(out, key, to);
	for (long i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];
		if (c == '"' || c == '\\') {
			out[to++] = '\\';
			out[to++] = (char)c;
		} else if (c < 0x20) {
			to += (size_t)sprintf(out + to, "\\u%04x", c);
		} else {
			out[to++] = (char)c;
		}
	}
	memcpy(out + to, end, sizeof end);
	free(text);
	*answer = out;
	return 0;
}

int main(void) { return fringe_serve(echo); }
