using CondDiffusion.Examples;

return args switch
{
    [] => Main(() => DigitsCommand.Run(DigitsCommand.Full)),
    ["--tiny"] => Main(() => DigitsCommand.Run(DigitsCommand.Tiny)),
    ["train", .. var rest] => Main(() => TrainCommand.Run(rest)),
    ["distill", .. var rest] => Main(() => DistillCommand.Run(rest)),
    ["evaluate", .. var rest] => Main(() => EvaluateCommand.Run(rest)),
    ["generate", .. var rest] => Main(() => GenerateCommand.Run(rest)),
    _ => Main(() => throw new UsageException($"Unknown command '{args[0]}'.")),
};

static int Main(Action command)
{
    try
    {
        command();
        return 0;
    }
    catch (UsageException exception)
    {
        Console.Error.WriteLine(exception.Message);
        Console.Error.WriteLine(
            """

            Usage:
              (nothing)    draw digits, train on them, and generate ten of each, into out/;
                           --tiny does it in seconds, and badly
              train        --data mnist|fashion-mnist|digits [--data-dir DIR] [--epochs N] [--batch N] [--seed N]
                           [--checkpoints DIR] [--tensorboard DIR] --out FILE.zip;
                           with --checkpoints, a training that was stopped resumes
              distill      --model FILE.zip --data mnist|fashion-mnist|digits [--data-dir DIR] [--steps N]
                           [--guidance G] [--epochs N] [--seed N] [--checkpoints DIR] --out FILE.zip;
                           the new model generates in N steps what the other one generates in many
              generate     --model FILE.zip [--labels 3,1,4] [--count N]
                           [--sampler DpmSolver|Ddim|Ancestral] [--steps N] [--guidance G] --out DIR
              evaluate     --model FILE.zip | --images mnist|fashion-mnist|digits [--images-dir DIR]
                           --data mnist|fashion-mnist|digits [--data-dir DIR] [--count N] [--trainings N]
                           [--classifier FILE.zip] [--json];
                           measures N images of each label against a data set; the classifier whose features are
                           compared is trained where its file is missing; --trainings 0 leaves out the accuracy
                           of classifiers that learn from the images
            """);
        return 2;
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine("Stopped. With --checkpoints, the same command resumes from here.");
        return 130;
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
        or InvalidOperationException or FormatException or ArgumentException)
    {
        Console.Error.WriteLine(exception.Message);
        return 1;
    }
}
