/* rights.c - see rights.h. */
#include "server/rights.h"

#include "proto/token.h"
#include "server/command.h"

/* gat, and mg that creates or touches, hand out values besides. */
static unsigned
rights_for(const struct request *req)
{
	switch (req->op) {
	case OP_GAT:
	case OP_GATS:
		return USER_READ | USER_WRITE;
	case OP_MG:
		return req->meta.has & (META_BIT('N') | META_BIT('T')) ?
		    USER_READ | USER_WRITE : USER_READ;
	default:
		return COMMANDS[req->op].needs == NEEDS_WRITE ? USER_WRITE :
								USER_READ;
	}
}

static enum status
check_key(const struct user *user, const struct request *req)
{
	unsigned need = rights_for(req);

	if ((user->rights & need) != need)
		return STATUS_DENIED;
	if (user_covers(user, req->key, req->nkey))
		return STATUS_FOUND;
	/* In a get line one answer goes with many keys, and whether a key is
	 * there is others' business. */
	return req->op <= OP_GATS || req->op == OP_MG || req->op == OP_ME ?
	    STATUS_NOT_FOUND : STATUS_DENIED;
}

static bool
is_one_of(struct word w, const char *const *names, unsigned nnames)
{
	for (unsigned i = 0; i < nnames; i++)
		if (token_is(w, names[i]))
			return true;
	return false;
}

/* The second word, which commands let be cut short; not here, where only what
 * is known goes through. */
static bool
may_stats(const struct user *user, const struct request *req)
{
	static const char *const open[] = { "items", "slabs", "sizes" };
	static const char *const own[] = { "settings", "cachedump" };
	const struct word *words = req->words.at;

	if (req->words.n < 2 || is_one_of(words[1], open, 3))
		return user->rights & USER_READ;
	if (!(user->rights & USER_ADMIN))
		return false;
	return user->nprefixes == 0 || is_one_of(words[1], own, 2);
}

static bool
may_administer(const struct user *user, const struct request *req)
{
	static const char *const dumps[] = { "metadump", "mgdump" };

	if (!(user->rights & USER_ADMIN))
		return false;
	if (user->nprefixes == 0 || req->op == OP_FLUSH_ALL)
		return true;
	return req->op == OP_LRU_CRAWLER && req->words.n > 1 &&
	    is_one_of(req->words.at[1], dumps, 2);
}

enum status
rights_check(const struct user *user, const struct request *req)
{
	bool may = true;

	if (command_has_key(req->op))
		return check_key(user, req);
	if (req->op == OP_STATS)
		may = may_stats(user, req);
	else if (COMMANDS[req->op].needs == NEEDS_ADMIN)
		may = may_administer(user, req);
	return may ? STATUS_FOUND : STATUS_DENIED;
}
