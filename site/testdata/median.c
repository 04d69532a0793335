/* Gives the middle of numbers, and writes them in order into a file. */
#include "fringe_worker.h"

static int compare(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static int median(const fringe_call *call, char **answer) {
	double x[1000];
	size_t n = 0;
	const char *at = strstr(call->inputs, "\"numbers\":[");
	for (at = at ? at + strlen("\"numbers\":[") : "]"; *at && *at != ']' && n < 1000; n++) {
		char *end;
		x[n] = strtod(at, &end);
		at = end + (*end == ',');
	}
	if (n == 0) {
		*answer = strdup("there are no numbers");
		return 1;
	}
	qsort(x, n, sizeof *x, compare);
	printf("%zu numbers\n", n);
	if (strstr(call->inputs, "\"wrong\":true")) {
		*answer = strdup("{\"median\":\"high\"}");
		return 0;
	}
	FILE *sorted = fopen("sorted.txt", "w");
	if (sorted == NULL) {
		*answer = strdup("sorted.txt cannot be written");
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		fprintf(sorted, "%g\n", x[i]);
	fclose(sorted);
	char text[200];
	snprintf(text, sizeof text, "{\"median\":%g,\"sorted\":{\"class\":\"File\",\"path\":\"sorted.txt\"}}", x[n / 2]);
	*answer = strdup(text);
	return 0;
}

int main(void) { return fringe_serve(median); }
