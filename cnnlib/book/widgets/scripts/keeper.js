// Shows nothing: it keeps the stills of a notebook that has playgrounds and no explorer.

import { initialize } from "./stills.js";

export default { initialize, render() {} };
