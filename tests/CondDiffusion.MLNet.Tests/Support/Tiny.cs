using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>
/// Options, data and models that train and generate 8 x 8 images in milliseconds. This half has rows of two labels,
/// which are keys; the other half, the animals, has rows of three names.
/// </summary>
internal static partial class Tiny
{
    /// <summary>An untrained model that generates images of two labels in four steps.</summary>
    public static ModelDescription Description { get; } = new()
    {
        Network = new(Channels: 1, Height: 8, Width: 8, Labels: 2, EmbeddingSize: 4, [2, 2, 2]),
        Timesteps = 4,
        Labels = new(2, ["cat", "dog"]),
        LabelColumnName = "Label",
        OutputColumnName = "GeneratedImage",
        PixelsColumnName = "GeneratedPixels",
        BatchSize = 3,
        Seed = 7,
    };

    /// <summary>The untrained model with a seed column.</summary>
    public static ModelDescription Seeded { get; } = Description with
    {
        Sampling = Description.Sampling with { SeedColumnName = "Seed" },
    };

    /// <summary>A training on 8 x 8 images in milliseconds, always with the same result.</summary>
    public static ConditionalDiffusionTrainer.Options Options { get; } = Shrink(new()) with
    {
        Height = 8,
        Width = 8,
        TimestepSampling = TimestepSampling.Uniform,
        BatchSize = 4,
        Optimizer = Optimizer.Adam,
        WarmUpSteps = 0,
        LearningRateDecay = LearningRateDecay.None,
        Seed = 1,
        PixelsColumnName = "GeneratedPixels",
    };

    /// <summary>Ten images of two labels: black ones and white ones.</summary>
    public static IEnumerable<Image> Images => Enumerable.Range(0, 10).Select(i => new Image
    {
        Label = (uint)i % 2,
        Pixels = [.. Enumerable.Repeat(i % 2 == 0 ? -1f : 1f, 64)],
    });

    /// <summary>
    /// Returns the options with a tiny network, the one that has the least to compute, four timesteps and one epoch.
    /// </summary>
    public static ConditionalDiffusionTrainer.Options Shrink(ConditionalDiffusionTrainer.Options options) =>
        options with
        {
            Architecture = NetworkArchitecture.Plain,
            ChannelWidths = [2, 2, 2],
            EmbeddingSize = 4,
            Timesteps = 4,
            Epochs = 1,
        };

    /// <summary>Trains on <see cref="Images"/> with <see cref="Options"/>, or on others with others.</summary>
    public static ConditionalDiffusionTransformer Fit(
        MLContext ml, ConditionalDiffusionTrainer.Options? options = null, IEnumerable<Image>? images = null) =>
        ml.ImageGeneration.Trainers.ConditionalDiffusion(options ?? Options)
            .Fit(ml.Data.LoadFromEnumerable(images ?? Images));

    /// <summary>
    /// Creates the untrained model of <see cref="Description"/>, or of another with an equal network.
    /// </summary>
    public static ConditionalDiffusionTransformer Create(MLContext ml, ModelDescription? description = null) =>
        new(ml, description ?? Description, ConditionalUNet.Create(Description.Network, CPU, seed: 1));

    /// <summary>Returns rows to generate images for: cat, dog, cat, dog and so on.</summary>
    public static IDataView Rows(MLContext ml, int count = 2) =>
        ml.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row { Label = (uint)i % 2 }));

    /// <summary>Generates the pixels of every row.</summary>
    public static float[][] Pixels(ITransformer model, IDataView rows) =>
        [.. model.Transform(rows).GetColumn<float[]>(Description.PixelsColumnName!)];

    /// <summary>Creates a prediction engine, which leaves the model to the caller unless it owns it.</summary>
    public static PredictionEngine<T, GeneratedRow> Engine<T>(
        MLContext ml, ITransformer model, bool owns = false, SchemaDefinition? schema = null)
        where T : class =>
        ml.Model.CreatePredictionEngine<T, GeneratedRow>(
            model, new PredictionEngineOptions { OwnsTransformer = owns, InputSchemaDefinition = schema });
}
