// Reads memory as fast as one thread can: the sum of n numbers.
#include <stdint.h>

uint64_t sum_all(const uint64_t *numbers, int64_t n) {
    uint64_t sums[16] = {0}, total = 0;
    for (int64_t i = 0; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) sums[j] += numbers[i + j];
    for (int j = 0; j < 16; j++) total += sums[j];
    return total;
}
