// Express asks for the types of file extensions that it serves; the demo's apps speak JSON.
const types = { 'application/json': ['json'], 'text/plain': ['txt'], 'text/html': ['html'] };
const plain = ['application/x-www-form-urlencoded', 'application/octet-stream', 'multipart/form-data'];

for (const [type, extensions] of Object.entries(types)) exports[type] = { source: 'iana', charset: 'UTF-8', extensions };
for (const type of plain) exports[type] = { source: 'iana' };
