"""Before any GPU time: does a training fit the model, the template, the licences, the machine?"""
