using CondDiffusion.Examples;

FreedMemory.Keep();
return args switch
{
    [] => Main(() => DigitsCommand.Run(DigitsCommand.Full)),
    ["--tiny"] => Main(() => DigitsCommand.Run(DigitsCommand.Tiny)),
    ["train", .. var rest] => Main(() => TrainCommand.Run(rest)),
    ["distill", .. var rest] => Main(() => DistillCommand.Run(rest)),
    ["augment", .. var rest] => Main(() => AugmentCommand.Run(rest)),
    ["evaluate", .. var rest] => Main(() => EvaluateCommand.Run(rest)),
    ["generate", .. var rest] => Main(() => GenerateCommand.Run(rest)),
    ["onnx", .. var rest] => Main(() => OnnxCommand.Run(rest)),
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
              train        --data DATA [--data-dir DIR] [--network Residual|Plain] [--size N|HxW] [--channels 1|3]
                           [--label-balance B] [--label-sharing S] [--shift S] [--rotation DEGREES]
                           [--scale S] [--epochs N] [--batch N] [--guidance G] [--seed N] [--checkpoints DIR]
                           [--tensorboard DIR] [--skip-broken] --out FILE.zip;
                           images are brought to --size, 28 by default, of multiples of 4, and are grey or colored
                           as the first one is; from 0 to 1, --label-balance lets rare labels come more often;
                           --label-sharing 1 carries over what is learnt of one label to the others;
                           --shift 0.1, --rotation 10 and --scale 0.1 shift, rotate and scale half of the images by up
                           to a tenth and ten degrees in each step, but not those that the model generates;
                           the model generates with guidance G unless it is told otherwise;
                           with --checkpoints, a training that was stopped resumes;
                           --skip-broken leaves out images of a folder that cannot be decoded; generated images,
                           which augment has marked in metadata.csv, are always left out
              distill      --model FILE.zip --data DATA [--data-dir DIR] [--steps N]
                           [--guidance G] [--epochs N] [--optimizer Adam|Muon] [--learning-rate R] [--seed N]
                           [--checkpoints DIR] [--skip-broken] --out FILE.zip;
                           the new model generates in N steps what the other one generates in many
              generate     [--model FILE.zip] [--labels 3,1,4] [--count N]
                           [--sampler DpmSolver|Ddim|Ancestral] [--steps N]
                           [--spacing LogSnr|Focused|Uniform|Trailing|Angle]
                           [--guidance G] [--guidance-sigma LOW,HIGH] --out DIR;
                           the model is models/mnist.zip where none is named;
                           steps are guided whose noise level is above LOW and at most HIGH
              onnx         --model FILE.zip [--steps] --out FILE.onnx;
                           converts a model for ONNX Runtime; with --steps, to show the images of each step, too
              augment      FOLDER --model FILE.zip --balance | --at-least N | --per-real X
                           [--classifier FILE.zip] [--least-probability P] [--copy-distance X]
                           [--most-attempts N] [--seed N] [--skip-broken] [--generated-only] [--json] --out FOLDER;
                           writes the real images and generated ones: as many of each label as the most frequent one
                           has, or at least N, or X for each real one; the classifier, which is trained where its
                           file is missing, refuses images to whose label it gives less than probability P, 0.5 by
                           default; --copy-distance, 0.5 by default, refuses near copies, 0 none; N images are
                           generated for a row at most, 20 by default; --skip-broken leaves out real images that
                           cannot be decoded; the same command continues where it was stopped
              evaluate     --model FILE.zip | --images DATA [--images-dir DIR] --data DATA [--data-dir DIR]
                           [--count N] [--trainings N] [--classifier FILE.zip] [--json];
                           measures the images of --images, or N of each label of the model, 1,000 by default,
                           against a data set; the classifier whose features are compared is trained where its
                           file is missing; --trainings 0 leaves out the accuracy of classifiers that learn from
                           the images, of each label from 1,000 at most

            DATA is mnist, fashion-mnist, digits, or a folder of images: photos/train/cat/1.png, photos/test/dog/7.jpg.
            A folder that is called digits is ./digits.
            """);
        return 2;
    }
    catch (OperationCanceledException)
    {
        Console.Error.WriteLine(
            "Stopped. The same command continues from here if it is augment, or a training with --checkpoints.");
        return 130;
    }
    catch (Exception exception) when (exception is IOException or UnauthorizedAccessException
        or InvalidOperationException or FormatException or ArgumentException)
    {
        Console.Error.WriteLine(exception.Message);
        return 1;
    }
}
