/*
 * scan.h - sixteen bytes at a time: where are the blanks and the line ends.
 *
 * A mask has bit i set when byte i is one that was looked for.  SSE2 where the
 * compiler has it, otherwise the same with two 64-bit words.
 *
 * Owns:    nothing.
 * Threads: any; pure.
 * Fails:   never; nothing beyond in[n - 1] is read.
 * Cost:    about 6 instructions for 16 bytes with SSE2.
 */
#ifndef PROTO_SCAN_H
#define PROTO_SCAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(SCAN_PORTABLE)
#include <emmintrin.h>
#define SCAN_SSE2 1
#endif

static inline uint64_t
scan_load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint32_t
scan_load32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

/* The bytes of v that equal c, as 8 bits. */
static inline unsigned
scan_equal8(uint64_t v, unsigned char c)
{
	const uint64_t low = UINT64_C(0x7f7f7f7f7f7f7f7f);

	v ^= UINT64_C(0x0101010101010101) * c;
	v = ~(((v & low) + low) | v | low) >> 7;
	return (unsigned)(v * UINT64_C(0x0102040810204080) >> 56);
}

/* 16 bytes at p, all readable: those that equal a or b. */
static inline unsigned
scan_either16(const char *p, char a, char b)
{
#ifdef SCAN_SSE2
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);

	return (unsigned)_mm_movemask_epi8(
	    _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(a)),
	    _mm_cmpeq_epi8(v, _mm_set1_epi8(b))));
#else
	uint64_t lo = scan_load64(p), hi = scan_load64(p + 8);

	return scan_equal8(lo, (unsigned char)a) |
	    scan_equal8(lo, (unsigned char)b) |
	    (scan_equal8(hi, (unsigned char)a) |
	    scan_equal8(hi, (unsigned char)b)) << 8;
#endif
}

/* The same of n < 16 bytes; the bits from n on are clear. */
static inline unsigned
scan_either_few(const char *p, size_t n, char a, char b)
{
	unsigned mask = 0;
	uint64_t v;
	size_t i = 0;

	if (n >= 8) {
		v = scan_load64(p);
		mask = scan_equal8(v, (unsigned char)a) |
		    scan_equal8(v, (unsigned char)b);
		v = scan_load64(p + n - 8);
		mask |= (scan_equal8(v, (unsigned char)a) |
		    scan_equal8(v, (unsigned char)b)) << (n - 8);
		return mask;
	}
	for (; i < n; i++)
		mask |= (unsigned)(p[i] == a || p[i] == b) << i;
	return mask;
}

/* 32 bytes at p, all readable: which of the first 31 is a blank or less; 31 if
 * none is. */
static inline size_t
scan_low31(const char *p)
{
#ifdef SCAN_SSE2
	const __m128i *at = (const __m128i *)(const void *)p;
	const __m128i blank = _mm_set1_epi8(' ');
	__m128i a = _mm_max_epu8(_mm_loadu_si128(at), blank);
	__m128i b = _mm_max_epu8(_mm_loadu_si128(at + 1), blank);
	uint32_t mask = UINT32_C(1) << 31 |
	    (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(a, blank)) |
	    (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b, blank)) << 16;

	return (unsigned)__builtin_ctz(mask);
#else
	size_t i;

	for (i = 0; i < 31 && (unsigned char)p[i] > ' '; i++)
		;
	return i;
#endif
}

/* The index of the first blank or line feed, n if there is none. */
static inline size_t
scan_word_end(const char *p, size_t n)
{
	size_t i = 0;
	uint32_t mask;

	/* Two at a time: most keys end within 32 bytes, few within 16. */
	for (; n - i >= 32; i += 32) {
		mask = scan_either16(p + i, ' ', '\n') |
		    scan_either16(p + i + 16, ' ', '\n') << 16;
		if (mask != 0)
			return i + (unsigned)__builtin_ctz(mask);
	}
	if (n - i >= 16) {
		mask = scan_either16(p + i, ' ', '\n');
		if (mask != 0)
			return i + (unsigned)__builtin_ctz(mask);
		i += 16;
	}
	for (; i < n; i++)
		if (p[i] == ' ' || p[i] == '\n')
			break;
	return i;
}

/* The same, looking at no more than max bytes.  Most keys end within 32, so
 * the loop is only for the others. */
__attribute__((always_inline)) static inline size_t
scan_key_end(const char *p, size_t n, size_t max)
{
	uint32_t mask;

	if (__builtin_expect(n >= 32, 1)) {
		mask = scan_either16(p, ' ', '\n') |
		    scan_either16(p + 16, ' ', '\n') << 16;
		if (__builtin_expect(mask != 0, 1))
			return (size_t)__builtin_ctz(mask);
	} else if (n >= 16) {
		mask = scan_either16(p, ' ', '\n') |
		    scan_either16(p + n - 16, ' ', '\n') << (n - 16);
		return mask != 0 ? (size_t)__builtin_ctz(mask) : n;
	}
	return scan_word_end(p, n < max ? n : max);
}

#endif
