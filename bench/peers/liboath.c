/* Verification of a wrong code over one time step each way by liboath; prints nanoseconds per verification. */
#include <liboath/oath.h>
#include <stdio.h>
#include <time.h>

int main(void)
{
    const char secret[] = "\x31\x32\x9a\x34\x75\x36\x37\xb8\x39\x30\x11\x32\x33\xf4\x35\x36\x3a\x38\x39\x30";
    struct timespec start, end;
    long count = 200000, matched = 0;
    oath_init();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    for (long i = 0; i < count; i++)
        matched += oath_totp_validate(secret, 20, 1700000000 + i * 30, 30, 0, 1, "000000") >= 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    double ns = (end.tv_sec - start.tv_sec) * 1e9 + (end.tv_nsec - start.tv_nsec);
    fprintf(stderr, "%ld matched by chance\n", matched);
    printf("%.1f\n", ns / count);
    return 0;
}
