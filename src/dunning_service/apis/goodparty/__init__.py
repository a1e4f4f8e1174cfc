"""GoodParty's `ActionService`: routes, XML and error form as the clients of an ASP.NET Web API know them."""
