// Reads GraphQL documents as a JSON list from standard input; prints what GitHub's schema says.
import { readFileSync } from "node:fs";
import { validate } from "@octokit/graphql-schema";

const documents = JSON.parse(readFileSync(0, "utf8"));
const errors = documents.flatMap((text) => validate(text).map((error) => error.message));
process.stdout.write(JSON.stringify(errors));
