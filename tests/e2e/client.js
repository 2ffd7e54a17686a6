// client.js PORT USER PASSWORD - memjs: SASL, and each of its calls.
const assert = require('assert');
const [port, username, password] = process.argv.slice(2);
const c = require('memjs').Client.create(`127.0.0.1:${port}`, {
	username, password, retries: 1, timeout: 10,
	logger: { log: () => {} },
});
const call = (f) => new Promise((resolve, reject) =>
	f((error, ...rest) => error ? reject(error) : resolve(rest)));

async function run() {
	const big = 'b'.repeat(700000);

	assert(await c.set('k', 'v', { expires: 100 }));
	assert.equal(String((await c.get('k')).value), 'v');
	assert.equal(await c.add('k', 'w', {}), false);
	assert(await c.replace('k', 'x', {}));
	assert.equal(await c.replace('none', 'x', {}), false);
	assert(await c.append('k', 'y'));
	// Its prepend sends the opcode of append.
	assert(await c.prepend('k', 'z'));
	assert.match(String((await c.get('k')).value), /^(xyz|zxy)$/);
	assert.equal((await c.increment('n', 1, { initial: 5 })).value, 5);
	assert.equal((await c.increment('n', 2, {})).value, 7);
	assert.equal((await c.decrement('n', 9, {})).value, 0);
	assert(await c.touch('k', 50));
	assert(await c.delete('k'));
	assert.equal(await c.delete('k'), false);
	assert.equal((await c.get('k')).value, null);
	assert(await c.set('big', big, {}));
	assert.equal(String((await c.get('big')).value), big);
	assert('curr_items' in (await call((f) => c.stats(f)))[1]);
	await call((f) => c.statsWithKey('items', f));
	await call((f) => c.resetStats(f));
	await call((f) => c.flush(f));
	assert.equal((await c.get('big')).value, null);
	c.quit();
}

run().then(() => console.log('ok'), (error) => {
	console.log(`FAIL ${error}`);
	process.exit(1);
});
