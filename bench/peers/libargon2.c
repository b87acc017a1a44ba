/* Argon2id with 48 MiB, 3 passes, 1 lane by libargon2; prints milliseconds of CPU per hash. */
#include <argon2.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
    unsigned char out[32], salt[16] = {1, 2, 3, 4};
    struct timespec start, end;
    int count = 10;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (int i = 0; i < count; i++) {
        salt[15] = (unsigned char)i;
        if (argon2id_hash_raw(3, 49152, 1, "correct horse battery", 21, salt, 16, out, 32) != ARGON2_OK)
            return 1;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    printf("%.3f\n", ((end.tv_sec - start.tv_sec) * 1e3 + (end.tv_nsec - start.tv_nsec) / 1e6) / count);
    return 0;
}
