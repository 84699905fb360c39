/* What blosc calls of Snappy; src/lib.rs defines it. */
#ifndef GRATICULE_SNAPPY_C_H
#define GRATICULE_SNAPPY_C_H

#include <stddef.h>

typedef enum {
  SNAPPY_OK = 0,
  SNAPPY_INVALID_INPUT = 1,
  SNAPPY_BUFFER_TOO_SMALL = 2
} snappy_status;

/* The last argument is the capacity of the output before, its length after the call. */
snappy_status snappy_compress(const char *input, size_t input_length, char *output, size_t *output_length);
snappy_status snappy_uncompress(const char *input, size_t input_length, char *output, size_t *output_length);

size_t snappy_max_compressed_length(size_t input_length);

#endif
