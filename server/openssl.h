/*
 * openssl.h - OpenSSL, loaded when somebody wants TLS.
 *
 * Linked as usual it would be loaded by every server: 1.6 MB of resident
 * memory and 2 ms of each start, measured, for what most of them never use.
 * Calls are written as ever; who makes a new one adds it to both lists below,
 * and the linker misses what stands in none.
 *
 * Owns:    the library, until the end of the process.
 * Threads: openssl_load() the main thread, before another one makes a call.
 * Fails:   openssl_load() with false, if the library is not installed.
 * Cost:    a call by pointer, as the linker's own would be.
 */
#ifndef SERVER_OPENSSL_H
#define SERVER_OPENSSL_H

#include <stdbool.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#define OPENSSL_CALLS(X)                                                      \
	X(ERR_clear_error)                                                    \
	X(ERR_error_string_n)                                                 \
	X(ERR_get_error)                                                      \
	X(ERR_peek_error)                                                     \
	X(ERR_reason_error_string)                                            \
	X(SSL_CTX_check_private_key)                                          \
	X(SSL_CTX_ctrl)                                                       \
	X(SSL_CTX_free)                                                       \
	X(SSL_CTX_load_verify_locations)                                      \
	X(SSL_CTX_new)                                                        \
	X(SSL_CTX_sess_set_new_cb)                                            \
	X(SSL_CTX_set_cipher_list)                                            \
	X(SSL_CTX_set_client_CA_list)                                         \
	X(SSL_CTX_set_default_passwd_cb)                                      \
	X(SSL_CTX_set_options)                                                \
	X(SSL_CTX_up_ref)                                                     \
	X(SSL_CTX_use_PrivateKey_file)                                        \
	X(SSL_CTX_use_certificate_chain_file)                                 \
	X(SSL_free)                                                           \
	X(SSL_get_error)                                                      \
	X(SSL_get_ex_data)                                                    \
	X(SSL_has_pending)                                                    \
	X(SSL_is_init_finished)                                               \
	X(SSL_load_client_CA_file)                                            \
	X(SSL_new)                                                            \
	X(SSL_read)                                                           \
	X(SSL_set_accept_state)                                               \
	X(SSL_set_connect_state)                                              \
	X(SSL_set_ex_data)                                                    \
	X(SSL_set_fd)                                                         \
	X(SSL_set_session_id_context)                                         \
	X(SSL_set_verify)                                                     \
	X(SSL_shutdown)                                                       \
	X(SSL_write)                                                          \
	X(TLS_client_method)                                                  \
	X(TLS_server_method)

struct openssl {
	bool loaded;
#define X(name) __typeof__(name) *call_##name;
	OPENSSL_CALLS(X)
#undef X
};

/* As constant as the linker's table, once it is filled. */
extern struct openssl openssl;

bool openssl_load(void);

#define ERR_clear_error (*openssl.call_ERR_clear_error)
#define ERR_error_string_n (*openssl.call_ERR_error_string_n)
#define ERR_get_error (*openssl.call_ERR_get_error)
#define ERR_peek_error (*openssl.call_ERR_peek_error)
#define ERR_reason_error_string (*openssl.call_ERR_reason_error_string)
#define SSL_CTX_check_private_key (*openssl.call_SSL_CTX_check_private_key)
#define SSL_CTX_ctrl (*openssl.call_SSL_CTX_ctrl)
#define SSL_CTX_free (*openssl.call_SSL_CTX_free)
#define SSL_CTX_load_verify_locations \
	(*openssl.call_SSL_CTX_load_verify_locations)
#define SSL_CTX_new (*openssl.call_SSL_CTX_new)
#define SSL_CTX_sess_set_new_cb (*openssl.call_SSL_CTX_sess_set_new_cb)
#define SSL_CTX_set_cipher_list (*openssl.call_SSL_CTX_set_cipher_list)
#define SSL_CTX_set_client_CA_list (*openssl.call_SSL_CTX_set_client_CA_list)
#define SSL_CTX_set_default_passwd_cb \
	(*openssl.call_SSL_CTX_set_default_passwd_cb)
#define SSL_CTX_set_options (*openssl.call_SSL_CTX_set_options)
#define SSL_CTX_up_ref (*openssl.call_SSL_CTX_up_ref)
#define SSL_CTX_use_PrivateKey_file (*openssl.call_SSL_CTX_use_PrivateKey_file)
#define SSL_CTX_use_certificate_chain_file \
	(*openssl.call_SSL_CTX_use_certificate_chain_file)
#define SSL_free (*openssl.call_SSL_free)
#define SSL_get_error (*openssl.call_SSL_get_error)
#define SSL_get_ex_data (*openssl.call_SSL_get_ex_data)
#define SSL_has_pending (*openssl.call_SSL_has_pending)
#define SSL_is_init_finished (*openssl.call_SSL_is_init_finished)
#define SSL_load_client_CA_file (*openssl.call_SSL_load_client_CA_file)
#define SSL_new (*openssl.call_SSL_new)
#define SSL_read (*openssl.call_SSL_read)
#define SSL_set_accept_state (*openssl.call_SSL_set_accept_state)
#define SSL_set_connect_state (*openssl.call_SSL_set_connect_state)
#define SSL_set_ex_data (*openssl.call_SSL_set_ex_data)
#define SSL_set_fd (*openssl.call_SSL_set_fd)
#define SSL_set_session_id_context (*openssl.call_SSL_set_session_id_context)
#define SSL_set_verify (*openssl.call_SSL_set_verify)
#define SSL_shutdown (*openssl.call_SSL_shutdown)
#define SSL_write (*openssl.call_SSL_write)
#define TLS_client_method (*openssl.call_TLS_client_method)
#define TLS_server_method (*openssl.call_TLS_server_method)

#endif
