// Stands for what no app of the demo uses: the SDK's workflow client, and the calendar that it only passes on.
module.exports = {};
