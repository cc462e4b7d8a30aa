/*
 * A security key in software, for ssh -o SecurityKeyProvider (sk-api.h of OpenSSH, API version 10). It claims that it was touched,
 * or verified somebody, as the file "flags" in the directory $AUTHENTICATOR says, a number, and touched where there is none: which is
 * what hardware would not do. The handle of a key is the private key itself. With a maker's cert.der and key.pem in that directory,
 * new keys are attested.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#define API_VERSION 0x000a0000
#define ECDSA 0
#define ED25519 1
#define ERR_GENERAL (-1)

struct sk_option { char *name, *value; uint8_t required; };

struct sk_enroll_response {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct sk_sign_response {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

/* OpenSSH wipes and frees what it is given. */
static uint8_t *copy(const void *from, size_t n)
{
	uint8_t *to = malloc(n ? n : 1);
	return to ? memcpy(to, from, n) : NULL;
}

static FILE *of_directory(const char *name)
{
	char path[4096];
	const char *dir = getenv("AUTHENTICATOR");
	if (dir == NULL)
		return NULL;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return fopen(path, "r");
}

static uint8_t claimed_flags(void)
{
	unsigned flags = 1;
	FILE *f = of_directory("flags");
	if (f != NULL) {
		if (fscanf(f, "%u", &flags) != 1)
			flags = 0;
		fclose(f);
	}
	return flags;
}

/* The raw public key: an Ed25519 key, or an uncompressed point. */
static size_t public_of(EVP_PKEY *key, uint8_t out[65])
{
	size_t n = 65;
	if (EVP_PKEY_get_id(key) == EVP_PKEY_ED25519)
		return EVP_PKEY_get_raw_public_key(key, out, &n) == 1 ? n : 0;
	return EVP_PKEY_get_octet_string_param(key, "pub", out, 65, &n) == 1 ? n : 0;
}

/* Authenticator data of a new key (WebAuthn level 2 section 6.1), with a handle of no meaning. */
static size_t auth_data(uint8_t *out, const char *application, uint8_t flags, const uint8_t *key, size_t n)
{
	uint8_t *p = out;
	SHA256((const uint8_t *)application, strlen(application), p);
	p += 32;
	*p++ = flags | 0x40;
	memcpy(p, "\0\0\0\1" "0123456789abcdef" "\0\6" "handle", 28);
	p += 28;
	if (n == 32) {
		memcpy(p, "\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20", 10);
		memcpy(p + 10, key, 32);
		return p + 42 - out;
	}
	memcpy(p, "\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", 10);
	memcpy(p + 10, key + 1, 32);
	memcpy(p + 42, "\x22\x58\x20", 3);
	memcpy(p + 45, key + 33, 32);
	return p + 77 - out;
}

static uint8_t *sign(EVP_PKEY *key, const EVP_MD *md, const uint8_t *data, size_t n, size_t *len)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t *sig = NULL;
	if (EVP_DigestSignInit(c, NULL, md, NULL, key) == 1 && EVP_DigestSign(c, NULL, len, data, n) == 1 &&
	    (sig = malloc(*len)) != NULL && EVP_DigestSign(c, sig, len, data, n) != 1) {
		free(sig);
		sig = NULL;
	}
	EVP_MD_CTX_free(c);
	return sig;
}

/* The maker signs the new key and the challenge (WebAuthn level 2 section 8.2), if there is a maker. */
static void attest(struct sk_enroll_response *r, const uint8_t *data, size_t n, const uint8_t *challenge, size_t challenge_len)
{
	uint8_t signed_data[512], cert[8192], wrapped[512] = { 0x58, n };
	FILE *c = of_directory("cert.der"), *k = of_directory("key.pem");
	if (c != NULL && k != NULL) {
		EVP_PKEY *maker = PEM_read_PrivateKey(k, NULL, NULL, NULL);
		r->attestation_cert_len = fread(cert, 1, sizeof cert, c);
		r->attestation_cert = copy(cert, r->attestation_cert_len);
		memcpy(signed_data, data, n);
		SHA256(challenge, challenge_len, signed_data + n);
		r->signature = sign(maker, EVP_sha256(), signed_data, n + 32, &r->signature_len);
		memcpy(wrapped + 2, data, n);
		r->authdata_len = n + 2;
		r->authdata = copy(wrapped, n + 2);
		EVP_PKEY_free(maker);
	}
	if (c != NULL)
		fclose(c);
	if (k != NULL)
		fclose(k);
}

uint32_t sk_api_version(void)
{
	return API_VERSION;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len, const char *application, uint8_t flags,
    const char *pin, struct sk_option **options, struct sk_enroll_response **response)
{
	uint8_t public[65], data[512], *handle = NULL;
	EVP_PKEY *key = alg == ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	struct sk_enroll_response *r = calloc(1, sizeof *r);
	(void)pin;
	(void)options;
	if (key == NULL || r == NULL)
		return ERR_GENERAL;
	r->flags = flags;
	r->public_key_len = public_of(key, public);
	r->public_key = copy(public, r->public_key_len);
	r->key_handle_len = i2d_PrivateKey(key, &handle);
	r->key_handle = copy(handle, r->key_handle_len);
	attest(r, data, auth_data(data, application, claimed_flags(), public, r->public_key_len), challenge, challenge_len);
	OPENSSL_free(handle);
	EVP_PKEY_free(key);
	*response = r;
	return 0;
}

/* What is signed is the application, the flags, the counter and the message (OpenSSH PROTOCOL.u2f, SSH U2F Signatures). */
int sk_sign(uint32_t alg, const uint8_t *message, size_t n, const char *application, const uint8_t *handle, size_t handle_len,
    uint8_t flags, const char *pin, struct sk_option **options, struct sk_sign_response **response)
{
	uint8_t data[32 + 1 + 4 + 32];
	size_t len = 0;
	EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &handle, handle_len);
	struct sk_sign_response *r = calloc(1, sizeof *r);
	(void)flags;
	(void)pin;
	(void)options;
	if (key == NULL || r == NULL)
		return ERR_GENERAL;
	r->flags = claimed_flags();
	r->counter = 0x01020304;
	SHA256((const uint8_t *)application, strlen(application), data);
	data[32] = r->flags;
	memcpy(data + 33, "\1\2\3\4", 4);
	SHA256(message, n, data + 37);
	uint8_t *sig = sign(key, alg == ED25519 ? NULL : EVP_sha256(), data, sizeof data, &len);
	const uint8_t *der = sig;
	ECDSA_SIG *parts = alg == ED25519 || sig == NULL ? NULL : d2i_ECDSA_SIG(NULL, &der, len);
	if (parts != NULL) {
		const BIGNUM *half[2];
		uint8_t number[64];
		ECDSA_SIG_get0(parts, &half[0], &half[1]);
		r->sig_r_len = BN_bn2bin(half[0], number);
		r->sig_r = copy(number, r->sig_r_len);
		r->sig_s_len = BN_bn2bin(half[1], number);
		r->sig_s = copy(number, r->sig_s_len);
		ECDSA_SIG_free(parts);
	} else if (sig != NULL) {
		r->sig_r_len = len;
		r->sig_r = copy(sig, len);
	}
	free(sig);
	EVP_PKEY_free(key);
	*response = r;
	return r->sig_r != NULL ? 0 : ERR_GENERAL;
}

int sk_load_resident_keys(const char *pin, struct sk_option **options, void *keys, size_t *n)
{
	(void)pin;
	(void)options;
	(void)keys;
	*n = 0;
	return 0;
}
