using CondDiffusion.MLNet.Benchmarks;

switch (args)
{
    case ["training"]:
        TrainingBenchmark.Run(rounds: 7);
        break;
    case ["training-memory", var variant]:
        TrainingBenchmark.PrintPeakMemory(variant);
        break;
    case ["quality", .. var rest]:
        QualityBenchmark.Run(new(rest, "--data", "--epochs", "--images", "--out", "--pictures"));
        break;
    default:
        Console.Error.WriteLine("Usage: dotnet run -c Release --project benchmarks -- training");
        Console.Error.WriteLine("       dotnet run -c Release --project benchmarks -- quality --data DIR [--epochs N] [--images N] [--out FILE] [--pictures DIR]");
        return 2;
}
return 0;
