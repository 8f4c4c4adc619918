using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>Trains on labelled images in one ML.NET pipeline and saves an ML.NET model file.</summary>
internal static class TrainCommand
{
    public static void Run(string[] args)
    {
        var arguments = new Arguments(
            args,
            [
                "--data", "--data-dir", "--network", "--size", "--channels", "--label-balance", "--label-sharing",
                "--shift", "--rotation", "--scale", "--epochs", "--batch", "--guidance", "--seed", "--checkpoints",
                "--tensorboard", "--out",
            ],
            ["--skip-broken"]);
        var file = arguments.Text("--out");
        var seed = arguments.Number("--seed", 1);
        var (height, width) = arguments.Size("--size", 28);
        var ml = CommandContext.Create(seed);

        var images = DataSet.LoadReal(ml, arguments, seed);
        var options = new ConditionalDiffusionTrainer.Options();
        Train(ml, images, file, options with
        {
            Architecture = arguments.Enum("--network", options.Architecture),
            Height = height,
            Width = width,
            Channels = ChooseChannels(arguments, images),
            LabelBalance = arguments.Double("--label-balance", options.LabelBalance),
            LabelSharing = arguments.Double("--label-sharing", options.LabelSharing),
            ShiftFraction = arguments.Double("--shift", options.ShiftFraction),
            RotationDegrees = arguments.Double("--rotation", options.RotationDegrees),
            ScaleFraction = arguments.Double("--scale", options.ScaleFraction),
            Epochs = arguments.Number("--epochs", 50),
            BatchSize = arguments.Number("--batch", options.BatchSize),
            CheckpointDirectory = arguments.Find("--checkpoints"),
            TensorBoardDirectory = arguments.Find("--tensorboard"),
            SampleEpochs = arguments.Find("--tensorboard") is null ? 0 : 1,
            Sampling = new() { GuidanceScale = arguments.FindDouble("--guidance") },
        });
    }

    /// <summary>Trains on images of any size and saves the fitted pipeline.</summary>
    public static void Train(MLContext ml, IDataView images, string file, ConditionalDiffusionTrainer.Options options)
    {
        Fit(ml, images, file, (progress, token) =>
            ml.ImageGeneration.Trainers.ConditionalDiffusion(options with
            {
                FeatureColumnName = "Image",
                Progress = progress,
                CancellationToken = token,
            }));
    }

    /// <summary>Fits a trainer to labelled images, with a progress bar, and saves the fitted pipeline.</summary>
    /// <param name="ml">The context.</param>
    /// <param name="images">The images and labels.</param>
    /// <param name="file">The model file to write.</param>
    /// <param name="createTrainer">Creates the trainer, which reports to the progress and heeds the token.</param>
    public static void Fit(
        MLContext ml,
        IDataView images,
        string file,
        Func<IProgress<TrainingProgress>, CancellationToken, IEstimator<ITransformer>> createTrainer)
    {
        ModelFile.CheckWritable(file, "--out");
        using var interrupt = new Interrupt();
        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(createTrainer(new ProgressBar(Console.Out), interrupt.Token));

        var model = pipeline.Fit(images);

        ModelFile.Save(ml, model, file);
        Console.WriteLine($"Saved {file} ({new FileInfo(file).Length / 1e6:F1} MB).");
    }

    private static int ChooseChannels(Arguments arguments, IDataView images)
    {
        switch (arguments.Find("--channels"))
        {
            case "1": return 1;
            case "3": return 3;
            case { } text: throw new UsageException($"Option --channels must be 1 or 3, but is '{text}'.");
        }

        var channels = ImageForm.OfFirst(images).Channels;
        Console.WriteLine(
            $"The first image is {(channels == 1 ? "grey" : "colored")}, so --channels is {channels}.");
        return channels;
    }
}
