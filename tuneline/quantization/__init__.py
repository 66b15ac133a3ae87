"""Stage 4: merged model to small models, measured."""
