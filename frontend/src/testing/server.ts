/** The API as tests answer for it: `server.use(http.get(`${API}/v1/…`, …))`. A call that no test expects fails. */

import { setupServer } from "msw/node";

export const server = setupServer();
