using CondDiffusion.MLNet;
using Microsoft.ML;

namespace CondDiffusion.Examples;

/// <summary>Trains on labelled images in one ML.NET pipeline and saves an ML.NET model file.</summary>
internal static class TrainCommand
{
    public static void Run(string[] args)
    {
        var arguments = new Arguments(
            args, "--data", "--data-dir", "--epochs", "--batch", "--seed", "--checkpoints", "--tensorboard", "--out");
        var file = arguments.Text("--out");
        var seed = arguments.Number("--seed", 1);
        var ml = new MLContext(seed);

        var images = DataSet.Load(ml, arguments.Text("--data"), arguments.Find("--data-dir"), seed: seed);
        Train(ml, images, file, new()
        {
            Epochs = arguments.Number("--epochs", 50),
            BatchSize = arguments.Number("--batch", 128),
            CheckpointDirectory = arguments.Find("--checkpoints"),
            TensorBoardDirectory = arguments.Find("--tensorboard"),
            SampleEpochs = arguments.Find("--tensorboard") is null ? 0 : 1,
        });
    }

    /// <summary>Trains on images of any size and saves the fitted pipeline.</summary>
    public static void Train(MLContext ml, IDataView images, string file, ConditionalDiffusionTrainer.Options options)
    {
        ModelFile.CheckWritable(file, "--out");
        using var interrupt = new Interrupt();
        var pipeline = ml.Transforms.NormalizeImages(options.FeatureColumnName, "Image", options.Width, options.Height)
            .Append(ml.Transforms.Conversion.MapValueToKey(options.LabelColumnName))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options with
            {
                Progress = new ProgressBar(Console.Out),
                CancellationToken = interrupt.Token,
            }));

        var model = pipeline.Fit(images);

        ModelFile.Save(ml, model, file);
        Console.WriteLine($"Saved {file} ({new FileInfo(file).Length / 1e6:F1} MB).");
    }
}
