/* A worker in C that does what the test asks for. */
#include "fringe_worker.h"

static int says(const fringe_call *call, const char *what) { return strstr(call->inputs, what) != NULL; }

static int handle(const fringe_call *call, char **answer) {
	if (says(call, "\"fail\"")) {
		*answer = strdup("no \"good\",\n\tat all");
		return 1;
	}
	if (says(call, "\"silent\""))
		return 1;
	if (says(call, "\"none\""))
		return 0;
	if (says(call, "\"exit\""))
		exit(7);
	if (says(call, "\"crash\""))
		abort();
	if (says(call, "\"garbage\"")) {
		fringe_send('Z', "?", 1);
		return 0;
	}
	if (says(call, "\"print\"")) {
		printf("printed %zu\n", call->length);
		fprintf(stderr, "error\n");
		if (system("echo child") != 0)
			return 1;
	}
	if (says(call, "\"flood\""))
		for (int i = 0; i < 100000; i++)
			printf("line %d\n", i);
	if (says(call, "\"where\"")) {
		char here[4096], text[9000];
		snprintf(text, sizeof text, "{\"text\":\"%s %s %s\"}", getcwd(here, sizeof here) ? here : "?", call->dir, call->trace);
		*answer = strdup(text);
		return 0;
	}
	*answer = strdup(call->inputs);
	return 0;
}

int main(void) { return fringe_serve(handle); }
